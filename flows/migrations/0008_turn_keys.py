from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('flows', '0007_test_cases'),
    ]

    operations = [
        migrations.AddField(
            model_name='draftedit',
            name='turn_key',
            field=models.CharField(blank=True, db_default='', default='', help_text='The same of the request that last took it back or made it again.', max_length=40),
        ),
    ]
